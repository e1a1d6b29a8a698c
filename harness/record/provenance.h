#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lsmlab::harness {

// Where a figure comes from: this build and this machine. Texts that cannot be found out are empty.
struct Provenance {
  std::string revision;
  bool dirty = false;
  std::string compiler, flags, build_type, sanitizer;
  std::vector<std::string> plugins;  // "path hash" of each, in the order of loading
  std::string cpu, cpu_governor, kernel, huge_pages;
  std::string filesystem, mount_options, disk, io_scheduler, write_cache;
  uint64_t cores = 0, memory_bytes = 0;
};

// `directory`: where the store lives, for filesystem and disk.
Provenance FindProvenance(const std::string& directory);

// What tells the builds apart, "revision a, here b; flags c, here d"; empty: nothing does. Of
// sources that differ from their revision it is only known that they do.
std::string BuildDifference(const Provenance& recorded, const Provenance& here);

// "2024-05-01T12:30:00Z".
std::string UtcTimestamp();

// Bytes free for this user on the filesystem of `directory`; 0 when unknown.
uint64_t FreeDiskBytes(const std::string& directory);

}  // namespace lsmlab::harness
