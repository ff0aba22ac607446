package commands

import (
	"github.com/larder-cache/larder/commands/spec"
	"github.com/larder-cache/larder/wire/resp"
)

// replyInfo answers an entry of COMMAND INFO.
func replyInfo(w *resp.Writer, cmd *spec.Command) {
	first, last, step := legacyRange(cmd.Keys)
	w.Array(10)
	w.BulkString(cmd.FullName())
	w.Int(int64(cmd.Arity))
	replyWords(w, cmd.FlagNames())
	w.Int(int64(first))
	w.Int(int64(last))
	w.Int(int64(step))
	replyWords(w, categoryNames(cmd))
	w.Set(len(cmd.Tips))
	for _, t := range cmd.Tips {
		w.BulkString(t)
	}
	w.Set(len(cmd.Keys))
	for i := range cmd.Keys {
		replyKeySpec(w, &cmd.Keys[i])
	}
	if subs := visible(cmd.Sub); len(subs) > 0 {
		w.Array(len(subs))
		for _, s := range subs {
			replyInfo(w, s)
		}
	} else {
		w.Set(0)
	}
}

// replyWords answers a set of simple strings.
func replyWords(w *resp.Writer, words []string) {
	w.Set(len(words))
	for _, s := range words {
		w.Simple(s)
	}
}

func categoryNames(cmd *spec.Command) (names []string) {
	all := cmd.AllCategories()
	for _, n := range spec.CategoryNames {
		if all&n.Category != 0 {
			names = append(names, "@"+n.Name)
		}
	}
	return names
}

// legacyRange is where the keys stand in the form of Redis before 7: the first, the last and the step, as far as the key
// specifications begin with ranges that follow each other. A last below zero counts from the end.
func legacyRange(keys spec.Keys) (first, last, step int) {
	for i := range keys {
		k := &keys[i]
		if k.Begin.Keyword != "" || k.Begin.At == 0 || k.Find.NumKeys {
			continue
		}
		if len(keys) > 1 && (k.Find.Step != 1 || (last != 0 && last != k.Begin.At-1)) {
			continue
		}
		if first == 0 {
			first = k.Begin.At
		}
		step, last = k.Find.Step, k.Find.Last
		if last >= 0 {
			last += k.Begin.At
		}
	}
	return first, last, step
}

var accessFlags = []struct {
	access spec.Access
	name   string
}{
	{spec.RO, "RO"}, {spec.RW, "RW"}, {spec.OW, "OW"}, {spec.RM, "RM"}, {spec.Reads, "access"}, {spec.Updates, "update"}, {spec.Inserts, "insert"},
	{spec.Deletes, "delete"}, {spec.NotKey, "not_key"}, {spec.Incomplete, "incomplete"}, {spec.VariableFlg, "variable_flags"},
}

func accessNames(a spec.Access) (names []string) {
	for _, f := range accessFlags {
		if a&f.access != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

func replyKeySpec(w *resp.Writer, k *spec.KeySpec) {
	if k.Notes != "" {
		w.Map(4)
		w.BulkString("notes")
		w.BulkString(k.Notes)
	} else {
		w.Map(3)
	}
	w.BulkString("flags")
	replyWords(w, accessNames(k.Access))
	w.BulkString("begin_search")
	if k.Begin == (spec.Begin{}) {
		replyHow(w, "unknown", 0)
		w.BulkString("find_keys")
		replyHow(w, "unknown", 0)
		return
	}
	if k.Begin.Keyword != "" {
		replyHow(w, "keyword", 2)
		w.BulkString("keyword")
		w.BulkString(k.Begin.Keyword)
		replyNumber(w, "startfrom", k.Begin.From)
	} else {
		replyHow(w, "index", 1)
		replyNumber(w, "index", k.Begin.At)
	}
	w.BulkString("find_keys")
	if f := &k.Find; f.NumKeys {
		replyHow(w, "keynum", 3)
		replyNumber(w, "keynumidx", f.NumKeyAt)
		replyNumber(w, "firstkey", f.FirstKey)
		replyNumber(w, "keystep", f.Step)
	} else {
		replyHow(w, "range", 3)
		replyNumber(w, "lastkey", f.Last)
		replyNumber(w, "keystep", f.Step)
		replyNumber(w, "limit", f.Limit)
	}
}

// replyHow answers the head of a search: its type, and a map of n numbers or words that follows.
func replyHow(w *resp.Writer, typ string, n int) {
	w.Map(2)
	w.BulkString("type")
	w.BulkString(typ)
	w.BulkString("spec")
	w.Map(n)
}

func replyNumber(w *resp.Writer, name string, n int) {
	w.BulkString(name)
	w.Int(int64(n))
}
