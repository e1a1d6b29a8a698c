#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/base/checksum.h"
#include "variants/table/block_index.h"
#include "variants/table/data_builder.h"

namespace lsmlab::table_internal {

// What a `flat` table has behind its data blocks: filter and index, whole.
//
//   flat table := (zero*, data block)*, filter block?, index block, dictionary block?,
//                 properties block, zero*, footer
class FlatSections {
 public:
  static constexpr std::string_view kName = "flat";
  static constexpr TableFormat kFormat = TableFormat::kFlat;

  FlatSections(const TableEnvironment& environment, const TableBuildContext& context)
      : bits_per_key_(FilterBits(environment, context)) {
    if (bits_per_key_ <= 0) return;
    filter_name_ = environment.filter->name;
    filter_ = environment.filter->make_builder(environment.filter_settings, bits_per_key_,
                                               context.expected_keys);
  }
  void AddKey(Slice key) {
    if (filter_ != nullptr) filter_->Add(key, KeyHash(key));
  }
  void AddBlock(const BlockHandle& handle, bool continues, Slice last_key, Tag last_tag) {
    index_.Add(handle, continues, last_key, last_tag);
  }
  void Finish(SectionWriter& writer, TableProperties* properties, TableFooter* footer) {
    properties->filter_variant = "none";
    if (filter_ != nullptr && properties->entries > 0) {
      std::string encoded;
      filter_->Finish(encoded);
      properties->filter_variant = filter_name_;
      properties->filter_bits_per_key = bits_per_key_;
      properties->filter_bytes = encoded.size();
      footer->filter = writer.WriteRaw(encoded);
    }
    const std::string index = index_.Finish();
    properties->index_bytes = index.size();
    footer->index = writer.WriteRaw(index);
  }

 private:
  const double bits_per_key_;
  std::string_view filter_name_;
  std::unique_ptr<FilterBuilder> filter_;
  IndexWriter index_;
};

}  // namespace lsmlab::table_internal
