#include "variants/table/table_audit.h"

#include <algorithm>
#include <string>

namespace lsmlab::table_internal {

Task<Status> CheckZeros(const BlockFile& file, uint64_t from, uint64_t to) {
  if (to < from || to - from > 4096) {
    co_return DamageAt(file.file().path(), from, "at most 4096 bytes between blocks",
                       std::to_string(to - from));
  }
  if (to == from) co_return Status();
  AlignedBytes gap(static_cast<size_t>(to - from));
  LSMLAB_CO_TRY(
      co_await ReadInto(file.io(), IoSite::kTableOpen, file.file(), from, to - from, gap.data()));
  const char* start = gap.data();
  const char* end = start + gap.size();
  const char* other = std::find_if(start, end, [](char c) { return c != 0; });
  if (other == end) co_return Status();
  co_return DamageAt(file.file().path(), from + static_cast<uint64_t>(other - start),
                     "zero padding", std::to_string(static_cast<uint8_t>(*other)));
}

Task<Status> CheckSections(const BlockFile& file, uint64_t end) {
  const TableFooter& footer = file.footer();
  const BlockHandle sections[] = {footer.filter, footer.index, footer.dictionary,
                                  footer.properties};
  for (const BlockHandle& handle : sections) {
    if (handle.offset == 0 && handle.size == 0) continue;
    LSMLAB_CO_TRY(co_await CheckZeros(file, end, handle.offset));
    AlignedBytes bytes;
    LSMLAB_CO_TRY(co_await file.ReadRawBlock(handle, file.file_bytes(), "a section", &bytes));
    end = handle.offset + handle.size + kBlockTrailerBytes;
  }
  const uint64_t footer_offset = file.file_bytes() - kTableFooterBytes;
  LSMLAB_CO_TRY(co_await CheckZeros(file, end, footer_offset));
  AlignedBytes bytes(kTableFooterBytes);
  LSMLAB_CO_TRY(co_await ReadInto(file.io(), IoSite::kTableOpen, file.file(), footer_offset,
                                  kTableFooterBytes, bytes.data()));
  const Result<TableFooter> again = DecodeTableFooter(Slice(bytes.data(), kTableFooterBytes),
                                                      file.file_bytes(), file.file().path());
  co_return again.status();
}

}  // namespace lsmlab::table_internal
