#!/bin/sh
# Tests a compose deployment that is its own: project, images and ports differ from those of `make up`. See `make e2e`.
set -eu
cd "$(dirname "$0")/.."
. deploy/compose.sh

export COMPOSE_PROJECT_NAME=placet-e2e PLACET_IMAGE=placet-e2e
export PLACET_HTTP_PORT=18700 PLACET_AMQP_PORT=18672 PLACET_MAIL_PORT=18025
export PLACET_PUBLIC_URL=http://localhost:18700 PLACET_APP_FOLDER=./examples PLACET_APP=delete_user:app
export PLACET_SMTP_URL=smtp://mail:1025

end() {
  status=$?
  [ "$status" = 0 ] || compose logs --tail 60 approval executor notifier rabbitmq-users || true
  compose down --volumes --remove-orphans >/dev/null 2>&1 || true
  exit "$status"
}
trap end EXIT
trap 'exit 130' INT TERM
deploy/up.sh
"${PYTEST:-pytest}" -m slow --confcutdir tests/e2e tests/e2e
