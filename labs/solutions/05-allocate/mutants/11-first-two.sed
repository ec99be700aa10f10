# fails: three guests
# mistake: only the first two VMs count
s/owner < VMM_FRAME_FIRST_VM + plan->vms/owner < VMM_FRAME_FIRST_VM + 2/
