# fails: registers behind an event
# mistake: code and stack selector the wrong way round
s/KERNEL_CODE | KERNEL_DATA << 16/KERNEL_DATA | KERNEL_CODE << 16/
