#!/bin/sh
# `vmm debug` from outside: scripts by -x and -batch, lines from a pipe; what a student types in the
# first hour, with mistakes; that each mistake is one sentence, ends a script with its line and a
# status of 1, and a prompt's session not; and that stepping and stopping change no run.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
guests=$build/guests
[ -x "$vmm" ] && [ -e "$guests/hello.elf" ] || {
    echo 'skipped: the program or its guests are not built'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work/home"
mkdir "$HOME"
bad=0
fail() {
    echo "$*"
    bad=1
}

# script STATUS OPTION...: runs the script on standard input with -x and -batch.
script() {
    wanted=$1
    shift
    cat >"$work/script"
    timeout 60 "$vmm" debug -x "$work/script" -batch "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "status $status, not $wanted, of: $(cat "$work/script" "$work/err")"
}
shows() { # PATTERN...: each is on standard output
    for pattern in "$@"; do
        grep -q -e "$pattern" "$work/out" || fail "'$pattern' is not shown by: $(cat "$work/script")
$(cat "$work/out" "$work/err")"
    done
}
complains() { # PATTERN: one line on standard error
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
    grep -q -e "$1" "$work/err" || fail "'$1' is not said: $(cat "$work/err")"
}
kernel=$guests/kernel-virt.elf

# ---- running and stopping ----

script 0 "$guests/hello.elf" <<'END'
run
info stats
END
shows '^| Hello' 'exit code 0' 'guest instructions'

script 0 -t bare "$kernel" <<'END'
# a comment, and an empty line

break kernel_main
run
info breakpoints
next
x/2i $eip
print $eip
print/x $cr0 & 1
set $ebx = 0x1234
print $ebx
trap #PF
why
walk $cr2
walk $eip
info traps 3
delete
continue
info vm
END
shows 'Breakpoint 1 at 0x[0-9a-f]* <kernel_main>' '^Breakpoint 1, ' 'met 1 time$' '^=> 0x' \
    '\$1 = 0x' '\$2 = 0x00000001' '0x1234 = 4660' '#PF' 'not present' 'page fault' \
    '^| self-test: 0 failures' 'technique    bare'

script 0 -t bare "$kernel" <<'END'
break strcmp if *($esp + 4) != 0 && $esp > 0
break kernel_main if 0
run
backtrace
finish
info breakpoints
delete
info report
END
shows '^Breakpoint 1, .*<strcmp>' '^#0  0x[0-9a-f]* <strcmp+0x0> at lib.c:[0-9]*$' '^#1  0x[0-9a-f]* <kernel_main+0x[0-9a-f]*> at main.c:[0-9]*$' '^=> 0x[0-9a-f]* <kernel_main+' ' if 0  met 0 times$' '<kernel_main'
[ "$(grep -c '^Breakpoint 2, ' "$work/out")" = 0 ] || fail 'a condition that is 0 stops'

script 0 "$kernel" <<'END'
catch mov_to_cr
catch 0x80
run
continue
delete 1
continue
info breakpoints
run
END
shows '^Catchpoint 1, traps: mov_to_cr$' '^Trap .* mov_to_cr: ' '^Trap .* int 0x80 = ' ' 2  traps: 0x80  met 1 time$'

# A guest that was stopped again and again ends as one that ran through.
digest() {
    sed -n 's/^digest  *//p' "$work/out" | tail -n 1
}
for technique in $("$vmm" run --help | sed -n 's/^Techniques: *//p' | sed 's/(default)//'); do
    image=$kernel
    [ "$technique" != para ] || image=$guests/kernel-para.elf
    script 0 -t "$technique" "$image" <<'END'
run
info vm
END
    straight=$(digest)
    script 0 -t "$technique" "$image" <<'END'
step 1000
break trap
trap
trap #PF
continue
continue
until 500000
step
next
delete
continue
info vm
END
    [ -n "$straight" ] && [ "$straight" = "$(digest)" ] ||
        fail "$technique: digest $(digest) with stops, '$straight' without"
    shows 'exit code 0'
done

# ---- restarting, another technique ----

script 0 "$guests/hello.elf" <<'END'
technique
technique bare
info vm
run
run
END
shows '^  *bare$\|^\* bare$' 'under bare' 'technique    bare' 'not started'
[ "$(grep -c '^| Hello from COM1' "$work/out")" = 2 ] || fail "two runs: $(cat "$work/out")"

# ---- input ----

script 0 -t bare "$guests/timer.elf" <<'END'
type "a\x41\n\"\\"
run
END

# ---- every command's example and help ----

"$vmm" debug -batch -x /dev/stdin "$guests/hello.elf" </dev/null >/dev/null 2>"$work/err"
[ $? = 1 ] && grep -q 'no regular file' "$work/err" || fail "a script that is no file: $(cat "$work/err")"
echo help | "$vmm" debug >"$work/out" 2>"$work/err" || fail 'help without a guest'
names=$(sed -n 's/^  \([a-z]*\) .*/\1/p' "$work/out")
[ "$(echo "$names" | wc -w)" -ge 20 ] || fail "help lists too little: $names"
for name in $names; do
    echo "help $name" | "$vmm" debug >"$work/out" 2>&1 || fail "help $name"
    grep -q '^Example: ' "$work/out" || fail "help $name has no example"
done

# ---- mistakes ----

script 1 "$guests/hello.elf" <<'END'
echo first
contniue
echo never
END
complains "script:2: There is no command 'contniue'; did you mean 'continue'?"
shows '^first$'
grep -q never "$work/out" && fail 'a script goes on after an error'
grep -q . "$work/err" || fail 'no error is shown'

while read -r command; do
    echo "$command" | script 1 "$guests/hello.elf"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "'$command': not one sentence: $(cat "$work/err")"
    grep -q "^$work/script:1: [A-Z'].*[.?]\$" "$work/err" || fail "'$command': $(cat "$work/err")"
done <<'END'
xyzzy
break nosuchsymbol
break 99999999999
break 1 +
break 1 when 2
break 1 if
break 1 if $nothing
finish now
backtrace x
print
print 1 / 0
print $rax
print/q 1
x/0x 0
x/99999999999999999999x 0
walk
step 0
step -1
step 99999999999999999999999
step many
until
until 0
trap nosuchcause
trap 256
catch
catch nosuchcause
why
why 0
why 999
delete 7
delete x
info
info nothing
info devices gpu
info registers rax
set
set 5
set $eax
set $cs = 8
set $nothing = 1
set *0xfffffff0 = 1
technique magic
file
type hello
type "hello
type "\q"
source
source /nonexistent
source .
disassemble 0x1000 0
disassemble 0x1000 100000
history 0
END

for image in /nonexistent .; do
    echo "file $image" | script 1 "$guests/hello.elf"
    complains "'$image'"
done
{
    seq -f 'break 0x100000 + %.0f' 31
    echo 'catch #PF'
    echo 'break 0x200000'
} | script 1 "$guests/hello.elf"
complains 'script:33: There are 32 breakpoints; delete one'
for command in run continue step trap 'break 1' 'info registers' 'walk 0' 'x 0' 'set $eax = 1' why; do
    echo "$command" | script 1
    complains 'file IMAGE'
done

echo "source $work/script" >"$work/loop"
cp "$work/loop" "$work/script"
timeout 20 "$vmm" debug -x "$work/script" -batch >"$work/out" 2>"$work/err" </dev/null
[ $? = 1 ] && complains 'call itself' || fail "a script that calls itself: $(cat "$work/err")"

script 1 "$guests/hello.elf" <<'END'
run
continue
END
complains "ended; 'run' starts it again"

# At a prompt, and in a pipe, an error does not end the session; the last command decides.
printf 'nonsense\necho alive\n' | "$vmm" debug >"$work/out" 2>/dev/null || fail 'the last command was good'
grep -qx alive "$work/out" || fail 'an error ends the session'
printf 'echo alive\nnonsense\n' | "$vmm" debug >"$work/out" 2>/dev/null && fail 'the last command was bad'
printf 'echo one\n\nstep 2\n\n\n' | "$vmm" debug -t bare "$guests/hello.elf" >"$work/out" 2>/dev/null
[ "$(grep -c '^=> ' "$work/out")" = 3 ] || fail "an empty line repeats: $(cat "$work/out")"
printf 'echo \033[31mred\n' | "$vmm" debug | grep -q '^(vmm)' && fail 'a prompt without a terminal'

# ---- start-up file, options ----

echo 'echo from the start-up file' >"$HOME/.vmmrc"
echo quit | "$vmm" debug | grep -q 'from the start-up file' || fail '.vmmrc is not read'
echo nonsense >"$HOME/.vmmrc"
"$vmm" debug -batch >/dev/null 2>"$work/err" </dev/null && fail 'a bad .vmmrc is ignored'
grep -q '/\.vmmrc:1: ' "$work/err" || fail "$(cat "$work/err")"
rm "$HOME/.vmmrc"
for options in "--unknown" "--vm a b" "-x" "a b" "-t" "-m 5X"; do
    # shellcheck disable=SC2086 # options are words
    "$vmm" debug $options >"$work/out" 2>"$work/err" </dev/null
    [ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "debug $options: $(cat "$work/err")"
done
"$vmm" debug /nonexistent >/dev/null 2>"$work/err" </dev/null
[ $? = 1 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "a missing image: $(cat "$work/err")"
"$vmm" </dev/null || fail 'plain vmm is vmm debug'
exit $bad
