// Package statistics counts sign-ins and the results of WeChat's calls by minute, for the plots of the console.
//
// A process counts in memory, and writes the counts of a quarter of an hour to one document every few seconds. So a login needs
// no write, and a killed process loses the last seconds. Readers sum the documents of all processes.
package statistics
