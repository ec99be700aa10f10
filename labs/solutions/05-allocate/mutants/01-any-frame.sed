# fails: a frame for every page
# mistake: a frame that is somebody's is given
s/if (owner == VMM_FRAME_FREE)/if (owner != VMM_FRAME_VMM)/
