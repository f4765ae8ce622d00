#!/bin/sh
# Builds the images, makes .env where there is none, starts everything, and waits until it is ready. See `make up`.
set -eu
cd "$(dirname "$0")/.."
. deploy/compose.sh

image=$(setting PLACET_IMAGE placet)
echo "placet: building the images"
# Before .env is made compose cannot know the passwords, and building needs none.
docker build --quiet --tag "$image" --file deploy/Dockerfile . >/dev/null
docker build --quiet --tag "$image-mail" --file deploy/mailcatcher/Dockerfile . >/dev/null

if [ ! -e .env ]; then
  echo "placet: making .env with fresh secrets"
  (umask 077; docker run --rm --network none "$image" secrets >.env.new)
  mv .env.new .env
fi

compose up --detach --no-build --remove-orphans
echo "placet: waiting until all services are ready"
deadline=$(($(date +%s) + 180))
for service in approval executor notifier mail; do
  until [ "$(docker inspect --format '{{.State.Health.Status}}' "$(compose ps --quiet "$service")" 2>&1)" = healthy ]; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
      compose ps
      compose logs --tail 40 "$service"
      say "$service did not get ready"
      exit 1
    fi
    sleep 1
  done
done

url=http://localhost:$(setting PLACET_HTTP_PORT 8700)
cat <<END

REST API   $url          (its OpenAPI document: $url/openapi.json)
Mail       http://localhost:$(setting PLACET_MAIL_PORT 8025)
AMQP       localhost:$(setting PLACET_AMQP_PORT 5672), virtual host placet, user starter

The passwords and the admin's API key are in .env. Next, start a run that asks for approval:

  key=\$(sed -n 's/^PLACET_ADMIN_KEY=//p' .env)
  curl -H "Authorization: Bearer \$key" -H "Content-Type: application/json" \\
    -d '{"workflow": "delete-user", "input": {"user_id": "ada"}}' $url/v1/runs

END
