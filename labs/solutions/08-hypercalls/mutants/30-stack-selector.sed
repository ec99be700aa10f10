# fails: registers behind an event
# mistake: SS with an RPL that is not the ring
s/KERNEL_DATA | 1/KERNEL_DATA/
