# fails: jumps
# mistake: a unit goes on behind a jump
s/kind == VMM_OP_JUMP || kind == VMM_OP_CALL ||/kind == VMM_OP_CALL ||/
