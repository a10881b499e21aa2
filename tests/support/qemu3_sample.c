/* qemu3_sample.c - see qemu3_sample.h. */
#include "qemu3_sample.h"

#include <string.h>

void sample_minimal(build_t *b) {
  build_qemu3(b, "none");
  build_section(b, 1, 1, "ram", 0, 4);
  build_be64(b, 0x400000 | 0x04);
  build_str8(b, "ram");
  build_be64(b, 0x400000);
  build_eos(b);
  build_footer(b, 1);
  build_part(b, 2, 1);
  build_page(b, 0, "ram", 0x5a);
  build_zero(b, 0x1000, NULL);
  build_eos(b);
  build_footer(b, 1);
  build_part(b, 3, 1);
  build_eos(b);
  build_footer(b, 1);
  build_u8(b, 0);
  build_description(b, "{\"page_size\":4096,\"devices\":[]}");
}

static void end(build_t *b, const sample_options_t *o, uint32_t id) {
  if (o->has_footers) {
    build_footer(b, id);
  }
}

static void regions(build_t *b) {
  build_section(b, 1, 2, "ram", 0, 4);
  build_be64(b, 0x6000 | 0x04);
  build_str8(b, "pc.ram");
  build_be64(b, 0x5000);
  build_str8(b, "pc.bios");
  build_be64(b, 0x1000);
  build_eos(b);
}

static void rounds(build_t *b, const sample_options_t *o) {
  build_part(b, 2, 2);
  build_page(b, 0, "pc.ram", 0x11);
  build_zero(b, 0x1000, NULL);
  build_zero(b, 0x2000, NULL);
  build_page(b, 0x3000, NULL, 0x22);
  build_eos(b);
  end(b, o, 2);
  build_part(b, 2, 2);
  build_page(b, 0x4000, NULL, 0x33); /* the region is that of before */
  build_page(b, 0, "pc.bios", 0x44);
  build_eos(b);
  end(b, o, 2);
  build_part(b, 3, 2);
  build_be64(b, 0x3000 | 0x40);
  build_str8(b, "pc.ram");
  build_raw(b, "\x01\x00\x03\x00\x01\x99", 6); /* the first byte is 0x99 now */
  build_eos(b);
  end(b, o, 2);
}

static const char description[] =
    "{\"page_size\":4096,\"devices\":["
    "{\"name\":\"timer\",\"instance_id\":0,\"vmsd_name\":\"timer\",\"version\":"
    "2,\"fields\":[{\"name\":\"a\",\"type\":\"uint8\",\"size\":1,\"array_len\":"
    "4}]},"
    "{\"name\":\"bus/card\",\"instance_id\":3,\"vmsd_name\":\"card\","
    "\"version\":1,\"fields\":[{\"name\":\"x\",\"type\":\"uint8\",\"size\":1,"
    "\"index\":0}],\"subsections\":[{\"vmsd_name\":\"c\",\"version\":1,"
    "\"fields\":[{\"name\":\"y\",\"type\":\"uint8\",\"size\":1}]}]}]}";

static void devices(build_t *b, const sample_options_t *o) {
  build_section(b, 4, 0, "timer", 0, 2);
  build_raw(b, "\x7e\x00\x00\x00", 4);
  end(b, o, 0);
  build_section(b, 4, 9, "bus/card", 3, 1);
  build_raw(b,
            "X\x05\x01"
            "c\x00\x00\x00\x01Y",
            9);
  end(b, o, 9);
}

void sample_machine(build_t *b, const sample_options_t *o) {
  build_qemu3(b, o->machine);
  regions(b);
  end(b, o, 2);
  rounds(b, o);
  devices(b, o);
  build_u8(b, 0);
  if (o->has_description) {
    build_description(b, description);
  }
}

size_t sample_device_bytes(const char *name) {
  return strcmp(name, "timer") == 0 ? 4 : 9;
}

const char sample_machine_trace[] =
    "header 3 'pc'\n"
    "note qemu.configuration@8 len 6 first 00\n"
    "section ram@15 id 2 instance 0 v4 live pages\n"
    "region 0 'pc.ram' 20480 of 4096 in 2\n"
    "region 1 'pc.bios' 4096 of 4096 in 2\n"
    "close@79 47 bytes 0\n"
    "part ram@84 id 2 instance 0 v4 live pages\n"
    "pages 0+0x0 x1 len 4096 first 11\n"
    "zeros 0+0x1000 x2 fill 0\n"
    "pages 0+0x3000 x1 len 4096 first 22\n"
    "close@8330 8241 bytes 0\n"
    "part ram@8335 id 2 instance 0 v4 live pages\n"
    "pages 0+0x4000 x1 len 4096 first 33\n"
    "pages 1+0x0 x1 len 4096 first 44\n"
    "close@16564 8224 bytes 0\n"
    "end ram@16569 id 2 instance 0 v4 live pages\n"
    "delta 0+0x3000 x1 len 3 first 00\n"
    "close@16603 29 bytes 0\n"
    "section timer@16608 id 0 instance 0 v2\n"
    "close@16631 4 bytes 4\n"
    "section bus/card@16636 id 9 instance 3 v1\n"
    "close@16667 9 bytes 9\n"
    "note qemu.description@16673 len 376 first 7b\n"
    "note qemu.footers@17054 len 1 first 01\n"
    "trailer 17054 records 6 data 5 zero 2\n";
