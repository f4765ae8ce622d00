#!/bin/sh
# Compiles requirements/*.txt, with hashes and for all platforms: one a deployable, and one for development.
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
    --custom-compile-command "make lock" $members -o "requirements/$out" "$@"
}
compile services.txt services/approval/pyproject.toml services/executor/pyproject.toml services/notifier/pyproject.toml
compile standalone.txt services/standalone/pyproject.toml
compile dev.txt --group dev --all-extras pyproject.toml libs/*/pyproject.toml services/*/pyproject.toml
