# fails: a conforming handler
# mistake: a conforming handler runs in its own DPL
s/code\[1\] & CONFORMING ? guest->cpl : (uint8_t)dpl/(uint8_t)dpl/
