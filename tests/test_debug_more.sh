#!/bin/sh
# `vmm debug` beyond stepping: source lines, traces, recordings, the quiz, classes, topics of help, and
# names that were nearly right.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
guests=$build/guests
kernel=$guests/kernel-virt.elf
[ -x "$vmm" ] && [ -e "$kernel" ] || {
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

# script STATUS OPTION...: runs the script on standard input.
script() {
    wanted=$1
    shift
    cat >"$work/script"
    timeout 60 "$vmm" debug -x "$work/script" -batch "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "status $status, not $wanted, of: $(cat "$work/script" "$work/err")"
}
shows() { # PATTERN...
    for pattern in "$@"; do
        grep -q -e "$pattern" "$work/out" || fail "'$pattern' is not shown by: $(cat "$work/script")
$(cat "$work/out" "$work/err")"
    done
}
# mistake COMMAND PATTERN: one sentence that has it.
mistake() {
    echo "$1" | script 1 "$kernel"
    [ "$(wc -l <"$work/err")" = 1 ] && grep -q -e "$2" "$work/err" || fail "'$1': $(cat "$work/err")"
}

# ---- source lines: those that the compiler was given ----

line=$(grep -n '^void console_write' tests/guests/kernel/console.c | cut -d: -f1)
script 0 "$kernel" <<END
break console.c:$((line + 2))
run
list
list console_write
backtrace
x/1i console.c:$((line + 2))
disassemble main.c:75 2
END
shows "^Breakpoint 1 at 0x[0-9a-f]* <console_write" "^   console.c:[0-9]*  " "^=> *[0-9]*  .*irq_save\|^ *[0-9]*  .*irq_save" \
    "^ *$line  void console_write" 'at console.c:[0-9]*$' 'at boot.S:[0-9]*$'

# ---- gdb's way to write an address ----

script 0 "$kernel" <<'END'
break *kernel_main + 1 if $esp
list *kernel_main
run
info breakpoints
END
shows '^Breakpoint 1 at 0x[0-9a-f]* <kernel_main+0x1> if $esp$' '^ *[0-9]*  void kernel_main' '^  1 .*met 1 time'

# ---- who reads ----

script 0 "$kernel" <<'END'
break clock_tick
run
rwatch ticks
continue
awatch word(ticks) if ticks > 1
continue
info breakpoints
reverse-continue
END
shows '^Read watchpoint 2: ticks  (single-stepping' '^  read 0x00000001 (1)$' '^Access watchpoint 3: word(ticks)$' \
    '^  was 0x0001 (1)$' '^  is  0x0002 (2)$' '^  2  reads: ticks  met 1 time$' '^  3  accesses: word(ticks) if ticks > 1  met 1 time$'
mistake 'rwatch $eax' "'watch \$eax' stops where it changes"
mistake 'rwatch port 0x20' "'watch port 0x20'"
mistake 'awatch phys(0x1000)' 'Linear addresses are watched'
mistake 'rwatch *0xffffffff' 'beyond the end of the address space'

# ---- more of source lines ----

mistake 'break console.c:99999' "no line 'console.c:99999'"
mistake 'list nowhere.c:1' "no line 'nowhere.c:1'"
mistake 'list 0x90000000' 'No source line is known'
echo list | script 1 --load flat@0x100000 "$guests/flat.bin"
grep -q 'no line tables' "$work/err" || fail "$(cat "$work/err")"
(
    cd "$work" || exit
    echo list | timeout 20 "$vmm" debug "$kernel" 2>&1 | grep -q "is not there, so that line"
) || fail 'sources that are elsewhere'

# ---- symbols of user programs ----

user=$guests/kernel/user.elf
script 0 "$kernel" <<END
trap 0x80
add-symbol-file $user
info symbols main
why
technique trap
trap 0x80
x/2i \$pc
info traps 1
END
sed -n '/^Instruction/p' "$work/out" | grep -q '<[a-z_]*+*.*> *int 0x80' || fail "no symbol of the program: $(cat "$work/out")"
[ "$(grep -c 'ring3\] 0x4[0-9a-f]* <[a-z_]' "$work/out")" -ge 1 ] || fail 'the symbols are lost when the guest starts again'
mistake 'add-symbol-file' 'add-symbol-file FILE'
mistake 'add-symbol-file /nonexistent' 'does not exist'
mistake "add-symbol-file $work/script" 'has no symbols'

# ---- the address space is the same whoever walks it; only what is shadowed differs ----

for technique in bare trap; do
    printf 'until 400000\ninfo map\n' | script 0 -t $technique "$kernel"
    sed -n '/^  0x.* page/p' "$work/out" | sed 's/  *[0-9]* shadowed$//; s/ *$//' >"$work/map.$technique"
done
cmp -s "$work/map.bare" "$work/map.trap" || fail "maps differ: $(diff "$work/map.bare" "$work/map.trap")"
grep -q '^  0x00000000-0x03ffffff   16384 pages  supervisor writable' "$work/map.bare" && grep -q ' user ' "$work/map.bare" ||
    fail "the map: $(cat "$work/map.bare")"
grep -q ' [1-9][0-9]* shadowed$' "$work/out" || fail 'nothing is shadowed'

# ---- traces ----

script 0 "$kernel" <<END
trace on
trap cli
trace off
trap cli
trace save $work/last.txt
trace on $work/some.jsonl
trap cli
trap cli
trace off
trace on $work/all.json
technique bare
END
lines=$(grep -c '^ *[0-9]* \[vm0 ring0\] ' "$work/out")
[ "$lines" = "$(sed -n 's/^Trap \([0-9]*\): .* cli = .*/\1/p' "$work/out" | head -n 1)" ] ||
    fail "trace on prints $lines lines: $(cat "$work/out")"
shows '^The last [0-9]* traps into'
grep -q ' cli = #GP' "$work/last.txt" && tail -n 1 "$work/last.txt" | grep -q ' cli = ' || fail 'trace save'
for trace in some.jsonl all.json; do
    "$vmm" report "$work/$trace" -o "$work/report.html" || fail "vmm report does not read $trace"
done
grep -q 'The trace has <data value="[0-9]*">' "$work/report.html" || grep -q 'Nothing trapped' "$work/report.html" ||
    fail 'a trace of a part of a run is not told'
mistake 'trace' 'trace on'
mistake 'trace sideways' 'trace on'
mistake 'trace off' 'Nothing is traced'
mistake 'trace save' 'There is no file'
mistake "trace on $work/no/where" 'cannot be written'
mistake "trace save $work/no/where" 'cannot be written'

# ---- recordings (asciicast v2) ----

printf 'echo before\nrecord %s\necho one "two" \\\nnonsense\nstep\nrecord stop\necho behind\n' "$work/session.cast" |
    "$vmm" debug "$kernel" >"$work/out" 2>/dev/null || fail 'a session that is recorded'
head -n 1 "$work/session.cast" | grep -q '^{"version": 2, "width": [0-9]*, "height": [0-9]*, ' || fail 'no header'
sed 1d "$work/session.cast" | grep -v '^\[[0-9]*\.[0-9]*, "o", ".*"\]$' && fail 'no event'
cut -d'"' -f 4- "$work/session.cast" | tr -d '\n' >"$work/text"
grep -q 'echo one' "$work/text" && grep -q "There is no command 'nonsense'" "$work/text" && grep -q '=> 0x' "$work/text" ||
    fail "the recording lacks something: $(cat "$work/session.cast")"
grep -q 'before\|behind' "$work/text" && fail 'the recording has too much'
grep -qx behind "$work/out" || fail 'nothing is printed behind the recording'
mistake 'record' 'record FILE.cast'
mistake 'record stop' 'Nothing is recorded'
mistake "record $work/no/where" 'cannot be written'

# ---- the quiz: the same seed is the same quiz, answers are checked ----

# answers ANSWER: ten questions with always that answer.
quiz() {
    echo "quiz -s $1"
    for _ in 1 2 3 4 5 6 7 8 9 10; do printf 'answer %s\nquiz\n' "$2"; done
}
quiz 7 b | "$vmm" debug "$kernel" >"$work/first" 2>&1
quiz 7 b | "$vmm" debug "$kernel" >"$work/second" 2>&1
quiz 8 b | "$vmm" debug "$kernel" >"$work/other" 2>&1
cmp -s "$work/first" "$work/second" || fail 'one seed, two quizzes'
cmp -s "$work/first" "$work/other" && fail 'two seeds, one quiz'
[ "$(grep -c '^Trap [0-9]*, in ring' "$work/first")" -ge 8 ] || fail "too few questions: $(cat "$work/first")"
grep -q '^Right\. ' "$work/first" && grep -q '^No: ' "$work/first" || fail "b is sometimes right: $(cat "$work/first")"
# What it calls right is what the record says: every walk with I and no A is c, and so on.
for letter in b c d; do
    quiz 3 $letter | "$vmm" debug "$kernel" 2>/dev/null
done | awk '
    /^Who handles it/ { asked = 1 }
    /^(Right|No)/ { right = /^Right/; given = $2 }
    asked && / -> / {
        asked = 0
        walk = $0
        sub(/.* -> /, "", walk)
        sub(/ .*/, "", walk)
        if (right) seen[walk] = 1
    }
    END { exit !(("D-I" in seen) && ("D-A" in seen)) }' || fail 'who handles it'
script 1 "$kernel" <<'END'
answer a
END
grep -q "There is no question" "$work/err" || fail "$(cat "$work/err")"
mistake 'quiz -s' 'quiz -s 7'
mistake 'quiz 5' 'quiz -s 7'
printf 'quiz\nanswer\n' | script 1 "$kernel"
printf 'run\nquiz\n' | script 1 "$kernel"
grep -q 'has ended' "$work/err" || fail "$(cat "$work/err")"

# ---- classes, topics, near misses ----

script 0 "$guests/hello.elf" <<'END'
classify popf
classify 0f01d8
help classes
help expr
info tlb
technique bare
info tlb
technique hw
continue
info tlb
walk $esp
why
END
shows 'popfd (9d)' 'control sensitive' 'Theorem 1' 'control sensitive    tries' 'phys(A)' 'misses (hidden faults)' \
    'keeps what it found in its TLB' 'so far the VMM has met [0-9]* TLB misses, [0-9.]* entries read for each'
mistake 'classify' 'Which instruction'
mistake 'classify xyzzy' '.'
mistake 'print eax' "did you mean '\$eax'"
mistake 'print $exa' "did you mean '\$eax'"
mistake 'break kernel_mian' "did you mean 'kernel_main'"
mistake 'hlep' "did you mean 'help'"
mistake 'info trasp' "did you mean 'traps'"
mistake 'technique brae' "did you mean 'bare'"
mistake 'screen' 'There is no terminal'
mistake 'kill' "no command 'kill'; 'help' lists"
mistake 'classify foo bar' 'none of the instructions that are known by name'
mistake 'lab start 99' 'There is no lab 99'
mistake 'watch zzz' "no symbol 'zzz' in the guest's image"
mistake 'gdbserver 192.0.2.1:1' "use 127.0.0.1, or 'vmm gdb --allow-remote'"
"$vmm" help techniques | grep -q '^  hybrid ' || fail 'vmm help TOPIC'
"$vmm" help tecniques >"$work/out" 2>"$work/err"
[ $? = 2 ] && [ ! -s "$work/out" ] && grep -q "did you mean 'techniques'" "$work/err" || fail "$(cat "$work/err")"
exit $bad
