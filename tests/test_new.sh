#!/bin/sh
# `vmm new guest NAME`: the folder builds and runs in two commands, from the tree and from an installed
# copy; bad names and places that cannot be written leave nothing behind.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
[ -x "$vmm" ] || {
    echo 'skipped: the program is not built'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
templates=$PWD/shell/templates
bad=0
fail() {
    echo "$*"
    bad=1
}
build_and_run() { # NAME PROGRAM
    (cd "$1" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make run VMM="$2" \
        ${GUEST_CROSS:+CC="${GUEST_CROSS}gcc" LD="${GUEST_CROSS}ld"}) >"$work/log" 2>&1 ||
        fail "make run: $(cat "$work/log")"
    grep -q "Hello from $1\." "$work/log" || fail "no greeting: $(cat "$work/log")"
}
cd "$work" || exit 1
"$vmm" new guest tiny >out 2>err || fail "new guest: $(cat err)"
grep -q 'make run' out || fail "the two commands are not named: $(cat out)"
build_and_run tiny "$vmm"
grep -rl '@NAME@' tiny && fail 'the placeholder is left'

# A module: here against the library as it is built (test_module_template.sh: as installed).
"$vmm" new module own >out 2>err || fail "new module: $(cat err)"
[ -f own/module.c ] && [ -f own/Makefile ] || fail 'new module makes no module'
grep -rl '@NAME@' own && fail 'the placeholder is left in the module'

# As installed: the program in bin, the templates in share.
mkdir -p prefix/bin prefix/share/vmm
cp "$vmm" prefix/bin/vmm
cp -r "$templates" prefix/share/vmm/templates
prefix/bin/vmm new guest other_one >out 2>err || fail "installed: $(cat err)"
build_and_run other_one "$work/prefix/bin/vmm"
mkdir alone && cp "$vmm" alone/vmm
alone/vmm new guest none >out 2>err
[ $? = 1 ] && grep -q 'make install' err && [ ! -e none ] || fail "without templates: $(cat err)"

refuses() { # STATUS ARGUMENT...
    wanted=$1
    shift
    "$vmm" new "$@" >out 2>err
    status=$?
    [ $status = "$wanted" ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] ||
        fail "new $*: status $status, $(cat out err)"
}
refuses 1 guest tiny
refuses 2
refuses 2 guest
refuses 2 guest a b
refuses 2 module
refuses 2 module a b
refuses 2 castle x
for name in '' . .. a/b -x 'a b' 'a$b' "$(printf 'x%.0s' $(seq 100))"; do
    refuses 2 guest "$name"
done
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod 500 closed
    (cd closed && "$vmm" new guest x >/dev/null 2>../err) && fail 'a folder that cannot be made'
fi
"$vmm" new --help | grep -q '^Usage: vmm new' || fail 'new --help'
exit $bad
