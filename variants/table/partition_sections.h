#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format/entry.h"
#include "variants/table/block_index.h"
#include "variants/table/data_builder.h"

namespace lsmlab::table_internal {

// What a `partitioned` table has behind its data blocks: partitions (partition.h) and a top index
// over them, which has the form of a flat table's index.
//
//   partitioned table := (zero*, data block)*, (zero*, partition)*, top index block,
//                        dictionary block?, properties block, zero*, footer
//
// Partitions start a page where data blocks do. Until Finish they are kept in memory.
class PartitionSections {
 public:
  static constexpr std::string_view kName = "partitioned";
  static constexpr TableFormat kFormat = TableFormat::kPartitioned;

  PartitionSections(const TableEnvironment& environment, const TableBuildContext& context);
  void AddKey(Slice key);
  void AddBlock(const BlockHandle& handle, bool continues, Slice last_key, Tag last_tag);
  void Finish(SectionWriter& writer, TableProperties* properties, TableFooter* footer);

 private:
  struct WaitingBlock {
    BlockHandle handle;
    bool continues;
    std::string last_key;
    Tag last_tag;
    size_t keys_end;  // how many of the waiting keys belong to this block and those before
  };
  struct Partition {
    std::string bytes;
    uint32_t first_block, end_block;
    bool continues;
    std::string last_key;
    Tag last_tag;
  };

  // About how large a partition of all that waits would be.
  size_t WaitingBytes() const noexcept;
  // A partition of as many waiting blocks as fit, at most `most`, at least one.
  void Close(size_t most);
  std::string Build(size_t blocks, uint64_t* filter_bytes) const;

  const TableEnvironment& environment_;
  double bits_per_key_;
  std::vector<std::string> keys_;  // of the blocks that wait and of the open one
  std::vector<WaitingBlock> waiting_;
  size_t waiting_index_bytes_ = 0;
  std::vector<Partition> partitions_;
  uint32_t next_block_ = 0;  // the first waiting one's number
  uint64_t filter_bytes_ = 0;
};

}  // namespace lsmlab::table_internal
