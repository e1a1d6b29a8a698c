#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/peers/engines.h"

namespace lsmlab::harness {

// The shared settings of a composition as an engine without our parts understands them. Made from
// the same SettingBags that our engine reads, so that a comparison is alike by construction.
struct SharedConditions {
  uint64_t memtable_bytes = 0;
  int waiting_memtables = 0;
  bool log = true;
  std::string sync;  // "none", "interval", "group", "every"
  uint64_t block_bytes = 0;
  bool page_blocks = false;  // every block starts a page
  int restart_interval = 16;
  std::vector<double> filter_bits_per_key;   // last entry repeats; empty: no filter
  uint64_t cache_bytes = 0;                  // 0: no cache
  std::vector<std::string> codec_per_level;  // last entry repeats; never empty
  int zstd_level = 1;
  uint64_t dictionary_bytes = 0;  // of a table's zstd dictionary; 0: none
  int background_threads = 1;
  std::string direct;  // "none", "writes", "all"
  uint64_t file_bytes = 0, level1_bytes = 0;
  double size_ratio = 10;
  int l0_trigger = 4, l0_slowdown = 20, l0_stop = 36;  // runs in level 0
  bool compacts = true;                                // false: flushes alone make tables
  // Ours alone: memtables and level 1 are those of one shard; old data is lost on purpose.
  int shards = 1;
  bool forgets = false;
};

SharedConditions ShareConditions(const Composition& composition);

// EngineInfo::amend_conditions of our own engine: what others do not have.
void AmendOurConditions(const EngineSetup& setup, uint32_t threads,
                        std::map<std::string, std::string>& conditions);

}  // namespace lsmlab::harness
