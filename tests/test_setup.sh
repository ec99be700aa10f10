#!/bin/sh
# The set-up asks nothing of a machine that has everything: no privilege, no apt, no
# network. Stand-ins for apt-get and id come first in PATH; apt-get only notes the call.
set -u
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
    echo "$*"
    bad=1
}

mkdir "$work/bin"
cat >"$work/bin/apt-get" <<EOF
#!/bin/sh
echo "\$*" >>"$work/apt-calls"
exit 1
EOF
printf '#!/bin/sh\necho 1000\n' >"$work/bin/id"
chmod +x "$work/bin/apt-get" "$work/bin/id"
export PATH="$work/bin:$PATH"

scripts/setup.sh config "$work/config.mk" >"$work/out" 2>&1 || fail 'set-up fails with nothing missing'
[ ! -s "$work/out" ] || fail "set-up is not silent with nothing missing: $(cat "$work/out")"
[ ! -e "$work/apt-calls" ] || fail "set-up calls apt-get with nothing missing: $(cat "$work/apt-calls")"
grep -q '^ENGINE_LIBS := .*unicorn' "$work/config.mk" || fail 'the configuration names no engine'

# A command that is missing is named, and no attempt is made without privilege.
if scripts/setup.sh need no-such-command >"$work/out" 2>&1; then
    fail 'a missing command is not noticed'
fi
grep -q 'no-such-command' "$work/out" || fail "the message does not name what is missing: $(cat "$work/out")"
[ ! -e "$work/apt-calls" ] || fail 'set-up calls apt-get without privilege'
if (. /etc/os-release && [ "${ID:-}" = debian ]); then
    grep -q '^  sudo apt-get install -y .*no-such-command$' "$work/out" ||
        fail "the message is not a command: $(cat "$work/out")"
fi
exit $bad
