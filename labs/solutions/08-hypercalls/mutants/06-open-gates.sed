# fails: what user programs may not do
# mistake: user programs may raise any vector
s/(uint8_t)i, .mask = 1/(uint8_t)i, .ring = 3, .mask = 1/
