#!/bin/sh
# The template behind `vmm new module NAME`: it builds without a warning against an installed copy of
# the library, by pkg-config, and runs; what its routine does is what the library's does, and once it
# is broken the program says so; a broken module is named.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
case $build in
*/build) ;;
*)
    echo 'skipped: only the plain build is installed, not a sanitizer or coverage variant'
    exit 77
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
    echo "$*"
    bad=1
}
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s install prefix="$work/prefix" DESTDIR= >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
cd "$work" || exit 1
prefix/bin/vmm new module own >out 2>err || fail "new module: $(cat err)"
grep -q 'make run' out || fail "the two commands are not named: $(cat out)"
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig"
run() { # ARGUMENT...
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u LD_LIBRARY_PATH make -C own run "$@" >log 2>&1
}
run || fail "make run: $(cat log)"
grep -q 'warning' log && fail "make warns: $(cat log)"
grep -qx 'Ok' log && grep -q '^interpreter.cli was called 1 times.*the guest cannot tell$' log ||
    fail "the small guest: $(cat log)"
run TECHNIQUE=interp || fail "make run TECHNIQUE=interp: $(cat log)"
run TECHNIQUE=bare && fail 'bare has no modules'
grep -q "never comes to the module 'interpreter.cli'" log || fail "bare: $(cat log)"
if [ -f "$build/guests/hello.elf" ]; then
    run IMAGE="$build/guests/hello.elf" || fail "make run IMAGE=hello.elf: $(cat log)"
fi
run IMAGE=/nowhere && fail 'an image that is not there'
sed -i 's/guest->eflags &= .*/guest->eflags |= IF;/' own/module.c
run && fail 'nobody notices that CLI does nothing'
grep -q 'differs from what it should be' log || fail "a wrong module: $(cat log)"
sed -i 's/guest->eflags |= IF;/guest->eflags = 0;/' own/module.c
run && fail 'reserved bits'
grep -q 'Module interpreter.cli misbehaved: it changed reserved bits of EFLAGS' log ||
    fail "a module that misbehaves: $(cat log)"
exit $bad
