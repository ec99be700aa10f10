# file: interpreter/routines/control.c
# property: equivalence
# mistake: reading CR2 gives CR3
s|case 2: cpu->gpr\[insn->rm\] = cpu->cr2; break;|case 2: cpu->gpr[insn->rm] = cpu->cr3; break;|
