"""Operations on previews, one module each."""
