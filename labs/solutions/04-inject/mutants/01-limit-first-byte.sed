# fails: a vector beyond the IDT
# mistake: only the first byte of a gate has to be within the limit
s/if (offset + 7 > guest->idt_limit)/if (offset > guest->idt_limit)/
