#!/bin/sh
# What `make install` copies works without the tree it was built in: a program of somebody
# else's compiles against the installed headers by pkg-config, links with the shared and
# with the static library, and runs; the shared library shows our names only, so that the
# program may use another Unicorn beside it; and `make uninstall` leaves nothing.
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

prefix=$work/prefix
make -s install prefix="$prefix" DESTDIR= >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
export LD_LIBRARY_PATH="$prefix/lib"

# A program that includes every public header, alone and in the order of their names.
{
    for header in "$prefix"/include/vmm/*.h; do
        echo "#include <vmm/${header##*/}>"
    done
    [ ! -e "$prefix/include/vmm/version.h" ] || echo '#define HAVE_VERSION'
    cat <<'EOF'
#include <stdio.h>
int main(void)
{
#ifdef HAVE_VERSION
    puts(vmm_version());
#endif
    return 0;
}
EOF
} >"$work/user.c"
cd "$work" || exit 1
for header in "$prefix"/include/vmm/*.h; do
    # shellcheck disable=SC2046 # flags are words
    echo "#include <vmm/${header##*/}>" | cc -std=c11 -Wall -Wextra -Werror -fsyntax-only \
        $(pkg-config --cflags libvmm) -x c - || fail "${header##*/} does not compile by itself"
done
version=$(pkg-config --modversion libvmm) || fail 'pkg-config does not find libvmm'
# shellcheck disable=SC2046
cc -o shared user.c $(pkg-config --cflags libvmm) -Wl,--no-as-needed $(pkg-config --libs libvmm) ||
    fail 'a program does not link with the shared library'
# shellcheck disable=SC2046
cc -o static user.c $(pkg-config --cflags libvmm) \
    $(pkg-config --static --libs libvmm | sed 's/-lvmm/-l:libvmm.a/') ||
    fail 'a program does not link with the static library'
for program in ./shared ./static; do
    output=$($program) || fail "$program: status $?"
    [ -z "$output" ] || [ "$output" = "$version" ] ||
        fail "$program: version $output, and $version by pkg-config"
done
readelf -d shared | grep -q 'NEEDED.*libvmm\.so\.[0-9]' || fail 'the soname carries no version'

library=$prefix/lib/libvmm.so
foreign=$(nm -D --defined-only "$library" | awk '$3 !~ /^vmm_/ { print $3 }' | head -n 5)
[ -z "$foreign" ] || fail "libvmm.so shows names that are not ours: $foreign"
for file in "$library" "$prefix"/bin/*; do
    [ -e "$file" ] || continue
    ldd "$file" | grep -E 'not found|/build/' && fail "$file needs what an installed copy has not"
    readelf -d "$file" | grep -E 'RPATH|RUNPATH' && fail "$file has a path of the build in it"
done
if [ -e "$prefix/bin/vmm" ]; then
    (cd / && "$prefix/bin/vmm" --help) >/dev/null || fail 'the installed vmm does not run'
fi

cd "$OLDPWD" || exit 1
make -s uninstall prefix="$prefix" DESTDIR= >"$work/log" 2>&1 || fail "make uninstall: $(cat "$work/log")"
left=$(find "$prefix" ! -type d)
[ -z "$left" ] || fail "make uninstall leaves: $left"

# DESTDIR: everything below it, and the pkg-config file names the final place.
make -s install prefix=/usr DESTDIR="$work/stage" >"$work/log" 2>&1 || fail 'DESTDIR is not honoured'
grep -qx 'prefix=/usr' "$work/stage/usr/lib/pkgconfig/libvmm.pc" ||
    fail 'the pkg-config file names the staging folder'
exit $bad
