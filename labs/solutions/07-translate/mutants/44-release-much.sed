# fails: a RET that releases much
# mistake: RET releases more than an op can
s/return op->value <= VMM_RET_MOST ? VMM_OP_RET : VMM_OP_CALL_OUT;/return VMM_OP_RET;/
