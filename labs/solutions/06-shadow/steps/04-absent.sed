# test: an absent page
# promises: Module allocator.shadow misbehaved: it filled the shadow for 0x00403000, where the guest maps no page
/^static struct vmm_shadow_answer ask/,/^}/{
/if (!(fault->directory_entry & P))/,+1d
/if (!(page & P))/,+1d
s/answer.error_code |= FAULT_P;/(void)FAULT_P;/
}
