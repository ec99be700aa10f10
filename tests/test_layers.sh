#!/bin/sh
# The include rules of the design: calls go one way, so includes do too.
#
#   shell -> vm -> dispatcher -> { allocator, interpreter } -> arch -> machine
#
# The floor (libvmm/arch, libvmm/machine) knows none of the rooms and not the roof; the
# architecture's algorithms do not know the machine; allocator and interpreter do not
# know each other; only the machine layer and the instruction-set modules see the engine;
# shell and labs see public headers alone. And the library neither prints nor exits.
#
#   tests/test_layers.sh [ROOT]
#
# Without ROOT it checks this tree, and then that each rule notices a planted violation.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)

# complain RULE: each line of standard input is a place that breaks the rule.
complain() {
    places=$(cat)
    [ -z "$places" ] || printf '%s:\n%s\n' "$1" "$places"
}

# includes FOLDER...: "FILE:LINE:HEADER" for every include in C files there. A header
# beside the file that includes it is given with its folder, so that rules see through
# relative names.
includes() {
    find "$@" -name '*.[ch]' 2>/dev/null | sort | xargs -r awk '
        match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]*[>"]/) {
            header = $0
            sub(/^[^<"]*/, "", header)
            quoted = header ~ /^"/
            sub(/^./, "", header)
            sub(/[>"].*/, "", header)
            if (quoted && header ~ /^\.\.?\//) {
                folder = FILENAME
                sub(/[^\/]*$/, "", folder)
                while (header ~ /^\.\.?\//) {
                    if (header ~ /^\.\.\//) sub(/[^\/]*\/$/, "", folder)
                    sub(/^\.\.?\//, "", header)
                }
                header = folder header
                sub(/^libvmm\//, "", header)
            }
            print FILENAME ":" FNR ":" header
        }'
}

# among PATTERN: of the includes on standard input, those whose header matches.
among() {
    awk -F: -v pattern="$1" '$3 ~ pattern'
}

rules() {
    includes libvmm/arch libvmm/machine | among '^(dispatcher|allocator|interpreter|shell|labs|vm)/' |
        complain 'The floor includes a header of the rooms above it'
    includes libvmm/arch | among '^machine/' | complain 'arch/ includes a header of machine/'
    includes allocator | among '^(dispatcher|interpreter|shell|vm)/' |
        complain 'The allocator includes a header beside or above it'
    includes interpreter | among '^(dispatcher|allocator|shell|vm)/' |
        complain 'The interpreter includes a header beside or above it'
    includes dispatcher libvmm | among '^shell/' | complain 'The library includes a header of the shell'
    includes libvmm/arch libvmm/vm libvmm/include libvmm/theorem dispatcher allocator interpreter shell labs |
        among '^unicorn/' | complain 'Only machine/, isa/ and classify/ may include the engine'
    includes shell labs |
        among '^(arch|machine|vm|isa|classify|theorem|libvmm|dispatcher|allocator|interpreter)/' |
        complain 'The shell or a lab includes a private header'
    includes libvmm/include |
        among '^(arch|machine|vm|isa|classify|theorem|dispatcher|allocator|interpreter|shell)/' |
        complain 'A public header includes a private one'
    quiet_library | complain 'The library prints or exits'
}

# The calls by which a library would print to the user or end the process. Comments and
# strings are removed first, so that a sentence may name them. A worker process that the
# classifier forked ends with _exit, which is its own end and not the caller's.
quiet_library() {
    find libvmm dispatcher allocator interpreter -name '*.c' 2>/dev/null | sort | while read -r file; do
        awk -v file="$file" '
            {
                line = $0
                gsub(/\\./, "", line)
                gsub(/"[^"]*"/, "\"\"", line)
                if (comment) {
                    if (!sub(/.*\*\//, "", line)) next
                    comment = 0
                }
                gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
                sub(/\/\/.*/, "", line)
                if (sub(/\/\*.*/, "", line)) comment = 1
                if (file ~ /^libvmm\/classify\//) gsub(/_exit[ \t]*\(/, "", line)
                if (line ~ /(^|[^A-Za-z0-9_>.])(printf|vprintf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort)[ \t]*\(/ ||
                    line ~ /(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)/)
                    print file ":" FNR ":" $0
            }' "$file"
    done
}

cd "${1:-$here}" || exit 1
complaints=$(rules)
bad=0
if [ -n "$complaints" ]; then
    printf '%s\n' "$complaints"
    bad=1
fi
[ $# = 0 ] || exit $bad

# Each rule must notice what it forbids: the same check on a copy with one line more.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
plant() { # FILE LINE
    mkdir -p "$copy/tree/$(dirname "$1")"
    printf '%s\n' "$2" >"$copy/tree/$1"
    if sh "$here/tests/test_layers.sh" "$copy/tree" >"$copy/log"; then
        printf 'not noticed: %s in %s\n' "$2" "$1"
        bad=1
    elif ! grep -q "^$1:1:" "$copy/log"; then
        printf 'noticed at the wrong place: %s in %s\n' "$2" "$1"
        cat "$copy/log"
        bad=1
    fi
    rm -rf "$copy/tree"
}
accept() { # FILE LINE
    mkdir -p "$copy/tree/$(dirname "$1")"
    printf '%s\n' "$2" >"$copy/tree/$1"
    if ! sh "$here/tests/test_layers.sh" "$copy/tree" >"$copy/log"; then
        printf 'wrongly refused: %s in %s\n' "$2" "$1"
        bad=1
    fi
    rm -rf "$copy/tree"
}
plant libvmm/arch/x86/a.c '#include "dispatcher/run.h"'
plant libvmm/arch/x86/a.c '#include "machine/bus.h"'
plant libvmm/arch/x86/a.c '#include "../../machine/bus.h"'
plant libvmm/arch/x86/a.c '#include <unicorn/unicorn.h>'
plant libvmm/machine/a.c '#include "allocator/frames.h"'
plant libvmm/machine/devices/a.h '  #  include "interpreter/routine.h"'
plant libvmm/machine/a.c '#include "vm/vm.h"'
plant libvmm/vm/a.c '#include <unicorn/x86.h>'
plant allocator/a.c '#include "interpreter/routine.h"'
plant allocator/a.c '#include "../interpreter/routine.h"'
plant interpreter/execute/a.c '#include "allocator/frames.h"'
plant interpreter/execute/a.c '#include "../../allocator/frames.h"'
plant interpreter/a.c '#include "dispatcher/outcome.h"'
plant dispatcher/a.c '#include "shell/commands.h"'
plant dispatcher/a.c '#include "unicorn/unicorn.h"'
plant shell/a.c '#include "arch/x86/state.h"'
plant shell/a.c '#include "libvmm/arch/x86/state.h"'
plant labs/01-traps/starter/a.c '#include "dispatcher/technique.h"'
plant libvmm/include/vmm/a.h '#include "machine/bus.h"'
plant libvmm/vm/a.c '    printf("booting\n");'
plant dispatcher/a.c '    if (!p) abort();'
plant allocator/a.c '    exit(1);'
plant interpreter/a.c '    fprintf(stderr, "no");'
accept libvmm/machine/a.c '#include <unicorn/unicorn.h>'
accept libvmm/vm/a.c '/* never exit() or abort() */ snprintf(s, n, "exit(1)"); cpu->exit(cpu);'
accept dispatcher/a.c '#include "allocator/frames.h"'
accept shell/a.c '#include <vmm/vmm.h>'
exit $bad
