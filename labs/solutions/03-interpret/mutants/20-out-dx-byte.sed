# fails: in
# mistake: the port in DX is cut at 8 bits
/outcome in_dx(/,/^}/s/(uint16_t)/(uint8_t)/
