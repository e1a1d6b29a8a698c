#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/parts/block.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Value store: where values live that are not inline in the tables. Variants: `inline` (everything
// stays in the table). PROVISIONAL: the second implementation is a test double so far.
//
// Thread safety: one Writer per job, one user; Read from any thread.
namespace lsmlab {

class ValueStore {
 public:
  virtual ~ValueStore() = default;

  // Values of one flush job on their way out.
  class Writer {
   public:
    virtual ~Writer() = default;
    // Stores the value; `reference` replaces it in the entry (kind kPutInValueFile).
    virtual Task<Status> Add(Slice key, Slice value, std::string* reference) = 0;
    // Makes all added values and their directory entries durable. Before the catalog commit.
    virtual Task<Status> Finish() = 0;
  };

  // Whether a value of this size goes out at flush. Constant for `inline`: false.
  virtual bool Separates(size_t value_bytes) const noexcept = 0;
  virtual Task<Result<std::unique_ptr<Writer>>> NewWriter(uint64_t file_number) = 0;
  // The value behind a reference, verified. Corruption names file, offset, expected, found.
  virtual Task<Result<BlockRef>> Read(Slice reference) = 0;
  // Whether a file name in the shard's directory is a live value file.
  virtual bool OwnsFile(std::string_view name) const = 0;
};

struct ValueStoreEnvironment {
  Io* io = nullptr;
  std::string directory;
};

struct ValuesVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<ValueStore> (*make)(const SettingBag& bag,
                                      const ValueStoreEnvironment& environment);
};

}  // namespace lsmlab
