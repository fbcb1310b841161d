package storage_test

import (
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestDirectory_OperatorsAlwaysNeedTwoFactors(t *testing.T) {
	off := storage.Policy{TwoFactor: storage.TwoFactorOff}
	if got := (storage.Directory{ID: storage.OperatorsDirectory, Policy: off}).TwoFactor(); got != storage.TwoFactorRequired {
		t.Errorf("operators: %s", got)
	}
	if got := (storage.Directory{ID: "default"}).TwoFactor(); got != storage.TwoFactorOff {
		t.Errorf("another directory: %s", got)
	}
}
