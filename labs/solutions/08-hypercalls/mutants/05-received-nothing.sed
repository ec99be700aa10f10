# fails: a line of input
# mistake: no byte is a byte
/VMM_HC_CONSOLE_READ/s/== 1/>= 0/
