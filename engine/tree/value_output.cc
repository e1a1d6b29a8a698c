#include "engine/tree/value_output.h"

#include <algorithm>

#include "engine/format/file_name.h"

namespace lsmlab {

ValueOutput::~ValueOutput() {
  builder_.reset();
  writer_.reset();
  if (!path_.empty()) tree_.doomed_->Add(path_);
  for (ValueFileHandle* handle : files_) {
    handle->obsolete.store(true, std::memory_order_release);
    handle->Unref();
  }
}

Task<Status> ValueOutput::Begin() {
  const uint64_t number = tree_.next_file_.fetch_add(1, std::memory_order_relaxed);
  path_ = tree_.PathOf(NumberedFileName("", number, ".val"));
  TableId id;
  {
    std::lock_guard guard(tree_.mutex_);
    id.high = tree_.ids_.Next();
    id.low = tree_.ids_.Next();
  }
  auto file = co_await OpenFile(*tree_.env_.io, IoSite::kValueFile, OpenMode::kCreate, path_);
  if (!file.ok()) {
    path_.clear();
    co_return file.status();
  }
  writer_ = std::make_unique<FileWriter>(*tree_.env_.io, IoSite::kValueFile,
                                         std::move(file).value(), tree_.write_pace());
  builder_ = std::make_unique<ValueFileBuilder>(number, id, WallNanos(), tree_.value_codec_.get(),
                                                tree_.value_codec_id_, *writer_);
  co_return Status();
}

Task<Status> ValueOutput::Add(Slice key, Slice value, std::string* reference) {
  if (builder_ == nullptr) LSMLAB_CO_TRY(co_await Begin());
  reference->clear();
  EncodeValueReference(builder_->Add(key, value), *reference);
  if (builder_->bytes() >= tree_.values_->file_bytes()) co_return co_await Finish();
  if (writer_->NeedsFlush()) LSMLAB_CO_TRY(co_await writer_->Flush());
  co_return Status();
}

Task<void> ValueOutput::Settle() {
  if (writer_ == nullptr) co_return;
  Status ignored = co_await writer_->Settle();
  (void)ignored;  // after an error the job has failed anyway
}

Task<Status> ValueOutput::Finish() {
  if (builder_ == nullptr) co_return Status();
  ValueFileEntry entry;
  const std::string footer = builder_->Finish(&entry);
  LSMLAB_CO_TRY(co_await writer_->Finish(footer));
  builder_.reset();
  writer_.reset();
  auto opened = co_await tree_.OpenValueFile(entry);
  if (!opened.ok()) co_return opened.status();
  path_.clear();
  bytes_ += entry.bytes;
  files_.push_back(opened.value());
  co_return Status();
}

ValueMover::ValueMover(Tree& tree, const Version& version)
    : tree_(tree),
      version_(version),
      collected_(tree.values_->Collectable(version.ValueFileShapes())),
      idle_(collected_.empty() && tree.separate_from_ == SIZE_MAX),
      output_(tree),
      pieces_(collected_.size()) {}

// What is no reference is moved, too: that reports it.
bool ValueMover::MustLeave(Slice reference) const noexcept {
  ValueReference at;
  return !DecodeValueReference(reference, &at) ||
         std::binary_search(collected_.begin(), collected_.end(), at.file);
}

Task<Status> ValueMover::Move(Slice key, Tag* tag, Slice* value) {
  if (TagKind(*tag) == EntryKind::kPutInValueFile) {
    ValueReference at;
    const Result<const ValueFile*> file = tree_.FindValue(version_, *value, &at);
    if (!file.ok()) co_return file.status();
    Result<Slice> read = co_await pieces_.Read(*file.value(), at, key);
    if (!read.ok()) co_return read.status();
    *value = read.value();
    *tag = MakeTag(TagSequence(*tag), EntryKind::kPut);
  }
  bytes_moved_ += value->size();
  if (value->size() < tree_.separate_from_) co_return Status();
  LSMLAB_CO_TRY(co_await output_.Add(key, *value, &reference_));
  *value = reference_;
  *tag = MakeTag(TagSequence(*tag), EntryKind::kPutInValueFile);
  co_return Status();
}

}  // namespace lsmlab
