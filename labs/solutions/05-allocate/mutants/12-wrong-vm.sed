# fails: a promise is kept
# mistake: the frames of VM n are counted for VM n + 1
s/held\[owner - VMM_FRAME_FIRST_VM\]++/held[(owner - VMM_FRAME_FIRST_VM + 1) % LAB_VMS]++/
