# fails: mov from control registers
# mistake: CR2 is read as CR3
s/case 2: \*to = guest->cr2/case 2: *to = guest->cr3/
