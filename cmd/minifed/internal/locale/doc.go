// Package locale holds what the command line says, in English and in Simplified Chinese, and chooses the language by the environment.
//
// Code names a text by its key: Text("listen.taken", address). The texts stand in catalog/en.json and catalog/zh-CN.json. A Message has
// no language until a Catalog renders it, where it is printed. Logs and JSON output are in English, because programs read them.
package locale
