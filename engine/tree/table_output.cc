#include "engine/tree/table_output.h"

#include "engine/format/file_name.h"

namespace lsmlab {

TableOutput::~TableOutput() {
  builder_.reset();
  writer_.reset();
  if (!path_.empty()) tree_.doomed_->Add(path_);
  for (TableHandle* handle : tables_) {
    handle->obsolete.store(true, std::memory_order_release);
    handle->Unref();
  }
}

Task<Status> TableOutput::Begin() {
  file_ = tree_.next_file_.fetch_add(1, std::memory_order_relaxed);
  path_ = tree_.PathOf(NumberedFileName("", file_, ".sst"));
  {
    std::lock_guard guard(tree_.mutex_);
    context_.id.high = tree_.ids_.Next();
    context_.id.low = tree_.ids_.Next();
  }
  context_.catalog_mark =
      tree_.catalog_->TableMark(job_, static_cast<uint32_t>(entries_.size()), false);
  auto file = co_await OpenFile(*tree_.env_.io, site_, OpenMode::kCreate, path_);
  if (!file.ok()) {
    path_.clear();
    co_return file.status();
  }
  writer_ = std::make_unique<FileWriter>(*tree_.env_.io, site_, std::move(file).value());
  builder_ =
      tree_.env_.composition->table.variant->make_builder(tree_.table_env_, context_, *writer_);
  builder_->KeepBlocks(keep_, keep_limit_);
  co_return Status();
}

Task<Status> TableOutput::FinishTable(uint32_t run) {
  TableProperties properties;
  LSMLAB_CO_TRY(builder_->Finish(&properties));
  LSMLAB_CO_TRY(co_await writer_->Finish(Slice()));
  TableEntry entry;
  entry.file = file_;
  entry.id = context_.id;
  entry.level = context_.level;
  entry.run = run;
  entry.bytes = writer_->offset();
  entry.entries = properties.entries;
  entry.tombstones = properties.tombstones;
  entry.raw_bytes = properties.raw_key_bytes + properties.raw_value_bytes;
  entry.smallest_key = properties.smallest_key;
  entry.largest_key = properties.largest_key;
  entry.smallest_tag = properties.smallest_tag;
  entry.largest_tag = properties.largest_tag;
  entry.min_sequence = properties.min_sequence;
  entry.max_sequence = properties.max_sequence;
  entry.created_ns = properties.created_ns;
  entry.oldest_tombstone_ns = properties.oldest_tombstone_ns;
  entry.last_level = context_.last_level;
  for (const auto& [file, bytes] : uses_) entry.values.push_back(ValueFileUse{file, bytes});
  uses_.clear();
  std::vector<KeptBlock> kept = builder_->TakeKeptBlocks();
  builder_.reset();
  writer_.reset();
  auto opened = co_await tree_.OpenTable(entry);
  if (!opened.ok()) co_return opened.status();
  opened.value()->table().FillCache(std::move(kept));
  bytes_ += entry.bytes;
  path_.clear();
  tables_.push_back(opened.value());
  entries_.push_back(std::move(entry));
  co_return Status();
}

// What is no reference is counted nowhere; whoever reads it reports it.
void TableOutput::CountUse(Slice reference) {
  ValueReference at;
  if (DecodeValueReference(reference, &at)) uses_[at.file] += at.size;
}

Task<Status> TableOutput::SyncNames() {
  return SyncDirectory(*tree_.env_.io, site_, tree_.env_.directory);
}

}  // namespace lsmlab
