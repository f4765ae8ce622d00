#!/bin/sh
# Compiles requirements/*.txt, with hashes and for all platforms: one a deployable, one for development, one for what
# builds our packages, uv itself, and in peers/ what `make bench-peers` measures beside Placet. `make lock UPGRADE=1` takes the newest versions; without, only what must change does.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
members=""
for member in libs/* services/*; do
  name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$member/pyproject.toml")
  members="$members --no-emit-package $name"
done
compile() {
  out=$1; shift
  # shellcheck disable=SC2086
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
    --custom-compile-command "make lock" ${UPGRADE:+--upgrade} $members -o "requirements/$out" "$@"
}
# Development first: it holds all of the others, and they take its versions.
compile dev.txt --group dev --all-extras pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml
set -- -c requirements/dev.txt
compile services.txt "$@" services/approval/pyproject.toml services/executor/pyproject.toml services/notifier/pyproject.toml
compile standalone.txt "$@" services/standalone/pyproject.toml
printf '%s\n' hatchling editables | compile build.txt "$@" -
echo 'aiosmtpd' | compile mailcatcher.txt "$@" -
echo 'uv' | compile uv.txt -
printf '%s\n' dbos starlette uvicorn httptools "uvloop; platform_system != 'Windows'" | compile peers/dbos.txt "$@" -
printf '%s\n' restate-sdk granian "uvloop; platform_system != 'Windows'" | compile peers/restate.txt "$@" -
if command -v npm >/dev/null; then
  npm --prefix requirements/peers/restate-server install --package-lock-only --ignore-scripts --save-exact --silent \
    ${UPGRADE:+@restatedev/restate-server@latest}
fi
