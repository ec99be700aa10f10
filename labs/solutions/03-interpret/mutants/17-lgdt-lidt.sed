# fails: lgdt
# mistake: LGDT loads the IDTR
/outcome lgdt(/,/^}/s/gdt_/idt_/g
