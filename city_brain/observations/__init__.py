"""What a source said: columns, codecs and admission."""
