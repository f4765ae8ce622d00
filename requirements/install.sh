#!/bin/sh
# Makes a virtual environment, or brings one up to date: requirements/install.sh VENV LOCK...
# It installs the locks with their hashes, then this workspace's packages, editable. PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")/.."
venv=$1; shift

say() { echo "placet: $*" >&2; }

# Whether an interpreter runs (a shim on the path may not) and is new enough.
runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
makes_venvs() { runs "$1" && "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

choose() {
  test=$1
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
    if "$test" "$candidate"; then python=$candidate; return; fi
  done
  return 1
}

if [ -e "$venv" ] && { [ -e "$venv/.unfinished" ] || ! runs "$venv/bin/python"; }; then
  say "$venv was left half made: making it anew"
  rm -rf "$venv"
fi

if [ ! -e "$venv" ]; then
  if ! choose makes_venvs; then
    if ! choose runs; then
      say "no Python 3.11 or newer found: install one, or name it with PYTHON=/path/to/python3"
      exit 1
    fi
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      say "$python cannot make virtual environments: install its venv module (on Debian and Ubuntu the package $package)"
      exit 1
    fi
    say "$python cannot make virtual environments: installing the Debian package $package"
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
    choose makes_venvs || { say "$package did not help"; exit 1; }
  fi
  say "making $venv with $("$python" --version)"
  mkdir -p "$venv"
  : >"$venv/.unfinished"
  "$python" -m venv "$venv"
else
  say "bringing $venv up to date"
  : >"$venv/.unfinished"
fi

locks=""
for lock in "$@"; do locks="$locks -r $lock"; done
members=""
for member in libs/* services/*; do members="$members -e ./$member"; done

if [ -n "${PIP_INDEX_URL:-}" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then
  export UV_DEFAULT_INDEX="$PIP_INDEX_URL" # who has told pip where packages come from need not tell uv too
fi
if ! mkdir -p "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}" 2>/dev/null; then
  export UV_CACHE_DIR="$PWD/$venv/.uv-cache" # a user without a home
fi
export VIRTUAL_ENV="$PWD/$venv"

"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
# shellcheck disable=SC2086
"$venv/bin/uv" pip install --quiet --require-hashes $locks
# shellcheck disable=SC2086
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation $members
rm "$venv/.unfinished"
