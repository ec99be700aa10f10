# fails: a TSS with a bad stack
# mistake: the base of the new stack is taken as 0
s/stack->base = base_of(data);/stack->base = 0;/
