#include "variants/io/sim_content.h"

#include <algorithm>
#include <cstring>

namespace lsmlab {
namespace {

constexpr size_t kPage = SimContent::kPageBytes;

size_t PagesFor(uint64_t bytes) { return static_cast<size_t>((bytes + kPage - 1) / kPage); }

// Calls piece(page, offset in page, bytes, bytes done before) over a range.
template <typename Piece>
void OverPages(uint64_t offset, size_t length, Piece piece) {
  for (size_t done = 0; done < length;) {
    const uint64_t at = offset + done;
    const size_t in_page = static_cast<size_t>(at % kPage);
    const size_t bytes = std::min(kPage - in_page, length - done);
    piece(static_cast<size_t>(at / kPage), in_page, bytes, done);
    done += bytes;
  }
}

}  // namespace

SimContent::Page& SimContent::OwnPage(size_t index) {
  std::shared_ptr<Page>& page = pages_[index];
  if (page == nullptr) {
    page = std::make_shared<Page>();
    page->fill(0);
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

size_t SimContent::Read(uint64_t offset, void* to, size_t length) const noexcept {
  if (offset >= size_) return 0;
  length = static_cast<size_t>(std::min<uint64_t>(length, size_ - offset));
  char* target = static_cast<char*>(to);
  OverPages(offset, length, [&](size_t index, size_t in_page, size_t bytes, size_t done) {
    const Page* page = pages_[index].get();
    if (page == nullptr) {
      std::memset(target + done, 0, bytes);
    } else {
      std::memcpy(target + done, page->data() + in_page, bytes);
    }
  });
  return length;
}

void SimContent::Write(uint64_t offset, const void* from, size_t length) {
  if (length == 0) return;
  if (offset + length > size_) Resize(offset + length);
  const char* source = static_cast<const char*>(from);
  OverPages(offset, length, [&](size_t index, size_t in_page, size_t bytes, size_t done) {
    std::memcpy(OwnPage(index).data() + in_page, source + done, bytes);
  });
}

void SimContent::Resize(uint64_t size) {
  const size_t used = static_cast<size_t>(size % kPage);
  pages_.resize(PagesFor(size));
  // Bytes behind the end are zero, so that growing again shows zeros.
  if (size < size_ && used != 0 && pages_.back() != nullptr) {
    Page& last = OwnPage(pages_.size() - 1);
    std::memset(last.data() + used, 0, kPage - used);
  }
  size_ = size;
}

void SimContent::ShareRange(const SimContent& other, uint64_t offset, size_t length) {
  const uint64_t end = std::min(offset + length, other.size_);
  if (end <= offset) return;
  if (end > size_) Resize(end);
  for (size_t i = static_cast<size_t>(offset / kPage); i < PagesFor(end); ++i) {
    pages_[i] = other.pages_[i];
  }
}

}  // namespace lsmlab
