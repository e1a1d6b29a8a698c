#pragma once

#include <memory>

#include "engine/parts/table.h"

// What the tables share: settings, and the choice of a block layout by them.
namespace lsmlab::table_internal {

inline constexpr SettingSpec kTableSettings[] = {
    {"block.layout", SettingType::kChoice, "restarts", 0, 0, "restarts|slotted",
     "how entries lie in a block: prefix-compressed, or slots with key heads and whole keys"},
    {"block.size", SettingType::kBytes, "4KiB", 512, 1 << 20, "",
     "bytes of a block before compression; a multiple of 4KiB up to 128KiB counts the 134 bytes "
     "around it in memory; a larger entry gets a block of its own"},
    {"block.large_values", SettingType::kBytes, "0", 0, 64 << 20, "",
     "bytes from which on a value gets a block of its own, so that reading small entries brings no "
     "large value along; the entry's index entry and, with alignment page, whole pages are its "
     "price; 0: none below block.size"},
    {"block.alignment", SettingType::kChoice, "packed", 0, 0, "packed|page",
     "where a block starts in the file: right after the one before, or on a page of 4 KiB, so that "
     "reading it touches no page more than it must"},
    {"block.restart_interval", SettingType::kInteger, "16", 1, 1024, "",
     "entries from one whole key to the next, in layout restarts"},
    {"block.search", SettingType::kChoice, "binary", 0, 0, "binary|hash|interpolation",
     "how a point read searches a block: key heads or restart points by halving and wide compares; "
     "a "
     "hash table written with the block; a guess from the first and last head, in layout slotted"},
    {"index.search", SettingType::kChoice, "btree", 0, 0, "btree|binary",
     "how the index in memory finds a block: static B-tree of 8-byte key heads, or halving them"},
    {"read_ahead", SettingType::kInteger, "8", 1, 64, "",
     "most blocks of a table that a walk forward reads side by side, when it goes on through "
     "blocks "
     "that the cache lacks, where the I/O part can; 1: each when it is needed"},
};

// The builders of flat and partitioned tables.
std::unique_ptr<TableBuilder> MakeFlatBuilder(const TableEnvironment& environment,
                                              const TableBuildContext& context, FileWriter& writer);
std::unique_ptr<TableBuilder> MakePartitionedBuilder(const TableEnvironment& environment,
                                                     const TableBuildContext& context,
                                                     FileWriter& writer);

}  // namespace lsmlab::table_internal
