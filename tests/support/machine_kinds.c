/* machine_kinds.c - see machine_kinds.h. */
#include "machine_kinds.h"

#define NET "-netdev", "user,id=n0"
#define DISK                                                                   \
  "-drive", "if=none,id=d0,format=raw,file.driver=null-co,file.size=1M"

static const char *const none[] = {"-M", "none", "-m", "4", NULL};

static const char *const pc[] = {"-M",
                                 "pc",
                                 "-m",
                                 "32",
                                 "-vga",
                                 "std",
                                 "-serial",
                                 "null",
                                 NET,
                                 "-device",
                                 "virtio-net-pci,netdev=n0",
                                 NULL};

static const char *const q35[] = {
    "-M",         "q35",       "-m",
    "48",         "-vga",      "std",
    NET,          "-device",   "virtio-net-pci,netdev=n0",
    DISK,         "-device",   "virtio-blk-pci,drive=d0",
    "-device",    "qemu-xhci", "-device",
    "usb-tablet", "-smp",      "2",
    NULL};

static const char *const microvm[] = {"-M",
                                      "microvm",
                                      "-m",
                                      "32",
                                      "-nodefaults",
                                      "-serial",
                                      "null",
                                      NET,
                                      "-device",
                                      "virtio-net-device,netdev=n0",
                                      DISK,
                                      "-device",
                                      "virtio-blk-device,drive=d0",
                                      NULL};

/* Without configuration and footers. */
static const char *const old[] = {
    "-M",   "pc-i440fx-2.3", "-m",         "32",      "-vga", "std",
    "-usb", "-device",       "usb-tablet", "-serial", "null", NULL};

const machine_kind_t machine_kinds[MACHINE_KINDS] = {
    {none, "ram", 4 << 20, 2, 1},     {pc, "pc.ram", 32 << 20, 30, 1},
    {q35, "pc.ram", 48 << 20, 30, 1}, {microvm, "microvm.ram", 32 << 20, 10, 1},
    {old, "pc.ram", 32 << 20, 25, 0},
};
