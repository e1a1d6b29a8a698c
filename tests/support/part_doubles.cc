#include "tests/support/part_doubles.h"

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/format/file_name.h"
#include "engine/parts/block_cache.h"

namespace lsmlab::test {
namespace {

class ThreeShards final : public Partitioner {
 public:
  uint32_t shards() const noexcept override { return 3; }
  uint32_t ShardOf(Slice key) const noexcept override {
    return key.empty() ? 0 : static_cast<unsigned char>(key.back()) % 3;
  }
  std::string identity() const override { return "three by last byte"; }
};

class ValueFileWriter final : public ValueStore::Writer {
 public:
  ValueFileWriter(const ValueStoreEnvironment& environment, uint64_t number,
                  std::unique_ptr<IoFile> file)
      : env_(environment), number_(number), file_(std::move(file)) {}

  Task<Status> Add(Slice, Slice value, std::string* reference) override {
    reference->clear();
    PutFixed64(*reference, number_);
    PutFixed64(*reference, offset_);
    PutFixed32(*reference, static_cast<uint32_t>(value.size()));
    PutFixed64(*reference, Checksum(value, MixSeed(number_, offset_)));
    const uint64_t offset = offset_;
    offset_ += value.size();
    co_return co_await WriteAt(*env_.io, IoSite::kValueFile, *file_, offset, value.data(),
                               value.size());
  }
  Task<Status> Finish() override {
    LSMLAB_CO_TRY(co_await DataSync(*env_.io, IoSite::kValueFile, *file_));
    co_return co_await SyncDirectory(*env_.io, IoSite::kValueFile, env_.directory);
  }

 private:
  const ValueStoreEnvironment env_;
  const uint64_t number_;
  const std::unique_ptr<IoFile> file_;
  uint64_t offset_ = 0;
};

class FileValues final : public ValueStore {
 public:
  explicit FileValues(const ValueStoreEnvironment& environment) : env_(environment) {}

  bool Separates(size_t value_bytes) const noexcept override {
    return value_bytes > kFileValuesAbove;
  }
  Task<Result<std::unique_ptr<Writer>>> NewWriter(uint64_t file_number) override {
    auto file =
        co_await OpenFile(*env_.io, IoSite::kValueFile, OpenMode::kCreate, PathOf(file_number));
    if (!file.ok()) co_return file.status();
    std::unique_ptr<Writer> writer =
        std::make_unique<ValueFileWriter>(env_, file_number, std::move(file).value());
    co_return writer;
  }
  Task<Result<BlockRef>> Read(Slice reference) override {
    Decoder in(reference);
    uint64_t number = 0, offset = 0, checksum = 0;
    uint32_t length = 0;
    const bool whole = in.GetFixed(&number) && in.GetFixed(&offset) && in.GetFixed(&length) &&
                       in.GetFixed(&checksum);
    if (!whole) co_return Status::Corruption("a value reference of the wrong size");
    auto file = co_await OpenFile(*env_.io, IoSite::kValueFile, OpenMode::kRead, PathOf(number));
    if (!file.ok()) co_return file.status();
    BlockRef block = BlockRef::Adopt(AllocateBlock(length));
    Status status = co_await ReadExactly(*env_.io, IoSite::kValueFile, *file.value(), offset,
                                         const_cast<char*>(block->data), length);
    if (!status.ok()) co_return status;
    if (Checksum(block->bytes(), MixSeed(number, offset)) != checksum) {
      co_return Status::Corruption(PathOf(number) + " offset " + std::to_string(offset) +
                                   ": wrong checksum");
    }
    co_return block;
  }
  bool OwnsFile(std::string_view name) const override {
    return ParseNumberedFileName("", ".val", name).has_value();
  }

 private:
  std::string PathOf(uint64_t number) const {
    return env_.directory + "/" + NumberedFileName("", number, ".val");
  }
  const ValueStoreEnvironment env_;
};

}  // namespace

const PartitionerVariant kThreeShards = {
    "three", "three shards by the last byte", {}, [](const SettingBag&) {
      return std::unique_ptr<Partitioner>(std::make_unique<ThreeShards>());
    }};

const ValuesVariant kFileValues = {
    "file",
    "values above 1 KiB in one file per flush",
    {},
    [](const SettingBag&, const ValueStoreEnvironment& environment) {
      return std::unique_ptr<ValueStore>(std::make_unique<FileValues>(environment));
    }};

}  // namespace lsmlab::test
