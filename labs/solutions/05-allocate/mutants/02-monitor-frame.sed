# fails: a machine without a limit
# mistake: a frame of the monitor is given
s/if (owner == VMM_FRAME_FREE)/if (owner <= VMM_FRAME_VMM)/
