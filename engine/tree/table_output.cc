#include "engine/tree/table_output.h"

#include <algorithm>
#include <iterator>

#include "engine/format/file_name.h"
#include "engine/tree/tree_files.h"

namespace lsmlab {
namespace {

constexpr uint64_t kLargeTable = 1000;     // entries: those of several steps
constexpr ptrdiff_t kBlocksPerStep = 128;  // into the cache, which may have to evict others

}  // namespace

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
  path_ = tree_.PathOf(NumberedFileName("", file_, marks_ ? kUnfinishedTable : ".sst"));
  {
    std::lock_guard guard(tree_.mutex_);
    context_.id.high = tree_.ids_.Next();
    context_.id.low = tree_.ids_.Next();
  }
  auto file = co_await OpenFile(*tree_.env_.io, site_, OpenMode::kCreate, path_);
  if (!file.ok()) {
    path_.clear();
    co_return file.status();
  }
  writer_ = std::make_unique<FileWriter>(*tree_.env_.io, site_, std::move(file).value(),
                                         tree_.write_pace());
  builder_ =
      tree_.env_.composition->table.variant->make_builder(tree_.table_env_, context_, *writer_);
  builder_->KeepBlocks(keep_, keep_limit_);
  co_return Status();
}

// The entry of the open table, as far as it is known before the table is finished.
void TableOutput::AddEntry(uint32_t run) {
  TableEntry entry;
  entry.file = file_;
  entry.id = context_.id;
  entry.tree = context_.tree;
  entry.level = context_.level;
  entry.run = run;
  for (const auto& [file, bytes] : uses_) entry.values.push_back(ValueFileUse{file, bytes});
  uses_.clear();
  entries_.push_back(std::move(entry));
}

// Makes the open table durable, under its name, and completes its entry.
Task<Status> TableOutput::EndFile(Slice mark) {
  TableProperties properties;
  // The end of a large table is long (its filter is built of all keys, its index written): a step
  // of its own, but where the commit waits for it, and with the commit all others.
  const bool in_steps = !last_is_open_ && builder_->entries() >= kLargeTable;
  if (in_steps) co_await EndStep();
  LSMLAB_CO_TRY(builder_->Finish(mark, &properties));
  if (in_steps) co_await EndStep();
  LSMLAB_CO_TRY(co_await writer_->Finish(Slice()));
  TableEntry entry = EntryOf(properties, file_, writer_->offset());
  entry.run = entries_.back().run;
  entry.values = std::move(entries_.back().values);
  entries_.back() = std::move(entry);
  bytes_ += entries_.back().bytes;
  kept_ = builder_->TakeKeptBlocks();
  builder_.reset();
  writer_.reset();
  if (!marks_) co_return Status();
  std::string named = tree_.PathOf(NumberedFileName("", file_, ".sst"));
  LSMLAB_CO_TRY(co_await RenameFile(*tree_.env_.io, site_, path_, named));
  path_ = std::move(named);
  co_return Status();
}

Task<Status> TableOutput::Reopen(bool in_steps) {
  auto opened = co_await tree_.OpenTable(entries_.back());
  if (!opened.ok()) co_return opened.status();
  path_.clear();
  tables_.push_back(opened.value());
  co_await FillCache(opened.value()->table(), in_steps);
  co_return Status();
}

// Offers the cache what was kept.
Task<void> TableOutput::FillCache(const Table& table, bool in_steps) {
  std::vector<KeptBlock> blocks = std::move(kept_);
  for (auto next = blocks.begin(); next != blocks.end();) {
    if (in_steps && next != blocks.begin()) co_await EndStep();
    const auto end = next + std::min(blocks.end() - next, kBlocksPerStep);
    std::vector<KeptBlock> part(std::make_move_iterator(next), std::make_move_iterator(end));
    table.FillCache(std::move(part));
    next = end;
  }
}

// Where an event loop's foreground may have its turn.
Task<void> TableOutput::EndStep() {
  co_await Yield(*tree_.env_.executor,
                 site_ == IoSite::kFlush ? Priority::kFlush : Priority::kCompaction);
}

Task<Status> TableOutput::FinishTable(uint32_t run) {
  AddEntry(run);
  std::string mark;
  if (marks_) mark = tree_.catalog_->TableMark(job_, entries_.back());
  LSMLAB_CO_TRY(co_await EndFile(mark));
  co_return co_await Reopen(/*in_steps=*/true);
}

Task<Status> TableOutput::End(uint32_t run) {
  if (open() && marks_) {
    AddEntry(run);
    last_is_open_ = true;
  } else if (open()) {
    LSMLAB_CO_TRY(co_await FinishTable(run));
  }
  co_return co_await tree_.SyncNames(site_);
}

Task<void> TableOutput::Settle() {
  if (writer_ == nullptr) co_return;
  Status ignored = co_await writer_->Settle();
  (void)ignored;  // after an error the job has failed anyway
}

// Once the table has its name, nobody knows whether it is committed: not this object's to remove.
Task<Status> TableOutput::Finish(std::string mark) {
  Status status = co_await EndFile(mark);
  if (status.ok()) path_.clear();
  co_return status;
}

Task<Status> TableOutput::OpenLast() {
  if (!last_is_open_) co_return Status();
  last_is_open_ = false;
  co_return co_await Reopen(/*in_steps=*/false);  // inside the commit, as EndFile was
}

// What is no reference is counted nowhere; whoever reads it reports it.
void TableOutput::CountUse(Slice reference) {
  ValueReference at;
  if (DecodeValueReference(reference, &at)) uses_[at.file] += at.size;
}

}  // namespace lsmlab
