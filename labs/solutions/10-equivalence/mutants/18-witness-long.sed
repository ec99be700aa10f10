# fails: suspect 3: a witness
# file: witness-3.S
# mistake: a loop before it
s/^    mov \$0x61, %edx/    mov $80, %ecx\n1:  loop 1b\n&/
