/** The types of actions; `streamer contract --typescript` writes them for one's own. */
export {};
