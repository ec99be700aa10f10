# test: INT n in ring 3 through a gate of DPL 0
# promises: EIP is 0x
/^static bool read_gate/,/^}/{
/if (offset + 7/,+1d
/unsigned type/,/NOT_PRESENT/d
}
