// The token is behind `#`, where no server sees it: it goes into the form, and out of the address bar. A person posts it.
const token = location.hash.slice(1);
if (token) {
  document.getElementById("token").value = token;
  document.getElementById("paste").hidden = true;
  history.replaceState(null, "", location.pathname);
}
