# The user programs, as the linker made them (user/): page-aligned, so that text pages can be mapped
# from here and need no copy.
    .section .user_image, "a"
    .balign 4096
    .globl user_image
user_image:
    .incbin USER_IMAGE
    .balign 4096
