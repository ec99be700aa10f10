# fails: reading segment registers
# mistake: reads of DS, ES, FS and GS are left to the VMM
/^static enum vmm_op_kind push_selector/,/^}/s/return VMM_OP_COPY;/return VMM_OP_CALL_OUT;/
