# Makes the token by which agents enroll, unless it is there: sets the control plane up if nobody has, logs in, asks for a token, and
# writes it into a Secret of the cluster, or into TOKEN_FILE if that is set. Needs sh, curl and sed. No secret is ever an argument of a
# command: a Collector that scrapes processes would tell it.
set -eu
account=${ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}
setup_token=${SETUP_TOKEN_FILE:-/etc/phoenix/setup/token}
admin_email=${EMAIL_FILE:-/etc/phoenix/admin/email}
admin_password=${PASSWORD_FILE:-/etc/phoenix/admin/password}
umask 077
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
: >"$dir/bearer"
: >"$dir/body"

# Asks for `$1 URL` by the bearer and with the body that lie in $dir, with the rest as curl's options; prints the status, and leaves the
# answer in $dir.
ask() {
  method=$1 url=$2
  shift 2
  curl -sS --max-time 30 -o "$dir/answer" -w '%{http_code}' -X "$method" "$url" -H 'content-type: application/json' -H "@$dir/bearer" --data-binary "@$dir/body" "$@"
}
cluster() {
  printf 'authorization: Bearer %s\n' "$(cat "$account/token")" >"$dir/bearer"
  ask "$@" --cacert "$account/ca.crt"
}
plane() {
  if [ -n "${PLANE_CA:-}" ]; then ask "$@" --cacert "$PLANE_CA"; else ask "$@"; fi
}
fail() { echo "$1" >&2; cat "$dir/answer" >&2; exit 1; }
# The content of a file as JSON has it, without its last line's end.
quoted() { sed -e 's/[\\"]/\\&/g' "$1" | tr -d '\r\n'; }
text() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$dir/answer"; }

if [ -n "${TOKEN_FILE:-}" ]; then
  if [ -s "$TOKEN_FILE" ]; then echo "$TOKEN_FILE is there already"; exit 0; fi
else
  secrets=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$NAMESPACE/secrets
  case $(cluster GET "$secrets/$SECRET") in
    200) echo "the Secret $SECRET is there already"; exit 0 ;;
    404) ;;
    *) fail "cannot read whether there is a Secret $SECRET: the cluster says" ;;
  esac
fi

: >"$dir/bearer"
: >"$dir/answer"
tries=0
until [ "$(plane GET "$PLANE/ready" 2>/dev/null)" = 200 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt "${TRIES:-120}" ] || fail "the control plane at $PLANE is not ready"
  sleep 2
done

who="\"email\": \"$(quoted "$admin_email")\", \"password\": \"$(quoted "$admin_password")\""
printf '{"token": "%s", %s}' "$(quoted "$setup_token")" "$who" >"$dir/body"
case $(plane POST "$PLANE/api/v1/auth/setup") in
  201) echo "made the first user" ;;
  409) echo "there is a user already" ;;
  *) fail "the first user cannot be made by the setup token and the admin's address and password: the control plane says" ;;
esac
printf '{%s}' "$who" >"$dir/body"
[ "$(plane POST "$PLANE/api/v1/auth/login")" = 200 ] || fail "cannot log in by the admin's address and password: the control plane says"
printf 'authorization: Bearer %s\n' "$(text access_token)" >"$dir/bearer"
printf '{"max_uses": "unlimited", "expires_in": "%s"}' "$EXPIRES_IN" >"$dir/body"
[ "$(plane POST "$PLANE/api/v1/enrollment-tokens")" = 201 ] || fail "cannot make an enrollment token: the control plane says"
token=$(text token)
: >"$dir/body"
plane POST "$PLANE/api/v1/auth/logout" >/dev/null

if [ -n "${TOKEN_FILE:-}" ]; then
  (umask "${TOKEN_UMASK:-077}"; printf '%s\n' "$token" >"$TOKEN_FILE.new")
  mv "$TOKEN_FILE.new" "$TOKEN_FILE"
  echo "wrote $TOKEN_FILE"
  exit 0
fi
printf '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "%s"}, "stringData": {"token": "%s"}}' "$SECRET" "$token" >"$dir/body"
case $(cluster POST "$secrets") in
  201) echo "made the Secret $SECRET" ;;
  409) echo "somebody else made the Secret $SECRET meanwhile" ;;
  *) fail "cannot make the Secret $SECRET: the cluster says" ;;
esac
